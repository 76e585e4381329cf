"""What is owed to the world and when. One small port; rows serve one process on either store."""
