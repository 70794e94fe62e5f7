"""Tokens: grants, the manager that keeps them fresh, the vault that keeps them safe, consent."""
