"""PostgreSQL: the bundled server as a supervised process, and what we ask of any server."""
