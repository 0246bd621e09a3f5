"""Tables of telemetry in PostgreSQL; those of the engine are the numbered files in `ddl/`."""

from mainstay.domains.telemetry.models.streams import (
    IntakeHealth,
    Loss,
    Rollup,
    RollupDirty,
    Series,
    SeriesDict,
    StreamMark,
    TelemetrySchema,
)

__all__ = ["IntakeHealth", "Loss", "Rollup", "RollupDirty", "Series", "SeriesDict", "StreamMark", "TelemetrySchema"]
