"""The shell: gathers facts, commits decisions, performs effects."""
