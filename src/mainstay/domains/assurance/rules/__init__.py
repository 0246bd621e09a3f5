"""Pure decisions of assurance: checks over facts, the score, the integration matrix, the roadmap."""
