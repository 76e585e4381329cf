"""A raised tier: what a playbook demands of a request that the rules put above its own tier.

The playbook that comes out is what the decision, the worker and the pages read; its hash stays the pinned one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import flows.errors as no
from flows.model import LEAST, MARGIN, ConsentStep, Playbook

#: How many distinct others have to agree from a tier on that was raised.
CONSENTS = {2: 1, 3: 2}


def raised(playbook: Playbook, tier: int | None) -> Playbook:
    """The playbook as it applies from this tier on. Raises TooFewToAgree where it names too few who could.

    A tier only ever rises: what is at or below the playbook's own changes nothing.
    """
    if tier is None or tier <= playbook.tier:
        return playbook
    consent = _consent(playbook, tier)
    lasts = playbook.proof_lasts
    if consent:
        wait = playbook.objection.longest if playbook.objection else timedelta(0)
        lasts = max(lasts, sum((step.within for step in consent), wait) + MARGIN)
    assurance = max(playbook.assurance, LEAST[tier])
    return replace(playbook, tier=tier, assurance=assurance, consent=consent, proof_lasts=lasts)


def _consent(playbook: Playbook, tier: int) -> tuple[ConsentStep, ...]:
    """Its own consent where that is enough, else the one it keeps for raised tiers."""
    least = CONSENTS.get(tier, 0)
    if playbook.places >= least:
        return playbook.consent
    if playbook.raised is None or playbook.raised.places < least:
        raise no.TooFewToAgree
    return (playbook.raised,)
