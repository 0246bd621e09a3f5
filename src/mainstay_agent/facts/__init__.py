"""Facts: what a machine is. One function per group; parsers are pure and tested on recorded outputs."""
