"""The Procore API as one client: paced, authorised, retried, page after page."""
