"""SCIM 2.0 (RFC 7643, RFC 7644): what the configuration says of a server, how it is spoken to, who works there."""
