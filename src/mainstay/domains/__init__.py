"""The domains, along the flow: estate, telemetry, alerting, desk, automation (a domain knows only what is upstream of it)."""
