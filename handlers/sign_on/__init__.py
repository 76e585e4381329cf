"""The company's own sign-on: who somebody is, as OpenID Connect says it. It is asked for a first device alone."""
