"""Tables of telemetry in PostgreSQL; those of the engine are the numbered files in `ddl/`."""

from mainstay.domains.telemetry.models.streams import Loss, Series, SeriesDict, StreamMark, TelemetrySchema

__all__ = ["Loss", "Series", "SeriesDict", "StreamMark", "TelemetrySchema"]
