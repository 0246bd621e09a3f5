"""The networked half: unprivileged and trusted by nobody. It observes, keeps what it could not send, carries commands to the root half."""
