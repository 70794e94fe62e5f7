"""What several test files share: real servers, real databases, real processes."""
