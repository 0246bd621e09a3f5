"""Background work of telemetry: none in the job queue. The spool is emptied by a thread of the process that owns it."""
