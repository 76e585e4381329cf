"""The device page: where people prove themselves, consent, and see a secret once. And health."""
