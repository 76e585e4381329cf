"""Directories that speak LDAP: one way to reach them, to find people and accounts, and to change them."""
