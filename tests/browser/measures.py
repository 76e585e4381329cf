"""What can be measured of a page, in the browser that shows it. Most scripts give a list of what is wrong there."""

from __future__ import annotations

# Colours are drawn and read back, so that whatever way a style names them they come out as numbers.
_COMMON = """
    const wrong = [];
    const shown = (each) => each.checkVisibility({ visibilityProperty: true }) && each.getClientRects().length > 0;
    const all = (what) => [...document.querySelectorAll(what)].filter(shown);
    const name = (each) => each.outerHTML.replace(/\\s+/g, " ").slice(0, 100);
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => linear(part / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    // WCAG 2.2, "contrast ratio" and "relative luminance".
    const ratio = (one, other) => {
        const [a, b] = [light(rgb(one)), light(rgb(other))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const clear = (colour) => rgb(colour)[3] < 128; // some systems' own colours let a little through
    const ground = (each) => {
        for (let at = each; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!clear(colour)) return colour;
        }
        return "white";
    };
    const edge = (each) => {
        const look = getComputedStyle(each), colour = look.borderLeftColor;
        return parseFloat(look.borderLeftWidth) >= 1 && look.borderLeftStyle !== "none" && !clear(colour) && colour;
    };
    const press = "button, .button, summary, a[href]:not(.skip)";
    const fill = "input:not([type=hidden]), select, textarea", box = ".told, .secret, .empty, progress";
"""


def _script(text: str) -> str:
    return f"() => {{ {_COMMON} {text} }}"


#: Signs, and the edges of what is pressed, filled in or set apart: 3 : 1 against what is behind them.
CONTRASTS = _script("""
    const least = (found, each, what) => {
        if (found < 3) wrong.push(`${what} too faint (${found.toFixed(2)}): ${name(each)}`);
    };
    for (const each of all(".shape, .go"))
        if (each.textContent.trim()) least(ratio(getComputedStyle(each).color, ground(each)), each, "sign");
    for (const each of all(`button, .button, ${fill}, ${box}`)) {
        if (each.disabled || each.matches(".bare, progress")) continue; // a bare one is known by its words
        const behind = ground(each.parentElement), line = edge(each);
        least(Math.max(line ? ratio(line, behind) : 0, ratio(ground(each), behind)), each, "edge");
    }
    return wrong;
""")

#: The colours themselves, in every pairing that a hover, a focus or a state may bring about.
TOKENS = _script("""
    const token = (each) => getComputedStyle(document.documentElement).getPropertyValue(`--${each}`).trim();
    for (const ink of ["ink", "quiet", "accent", "good", "warn", "danger"])
        for (const paper of ["paper", "wash"]) {
            const found = ratio(token(ink), token(paper)); // the other way round, too: a button's words are paper
            if (found < 4.5) wrong.push(`${ink} on ${paper}: ${found.toFixed(2)}`);
        }
    return wrong;
""")

#: What is pressed or filled in: 48 px each way, none under another, and one after another as they are read.
PLACES = _script("""
    const boxes = all(`${press}, ${fill}`).map((each) => [each, each.getBoundingClientRect()]);
    for (const [each, { width, height }] of boxes)
        if (Math.min(width, height) < 47.9)
            wrong.push(`small (${width.toFixed()} × ${height.toFixed()}): ${name(each)}`);
    boxes.forEach(([one, a], at) => boxes.slice(at + 1).forEach(([other, b], further) => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 1) wrong.push(`on one another: ${name(one)} and ${name(other)}`);
        if (!further && (high > 8 ? b.left < a.left : b.top < a.top)) wrong.push(`out of order: ${name(other)}`);
    }));
    return wrong;
""")

#: How many places Tab has to stop at, the link that skips the frame among them; the focus is on that one now.
BEGIN = _script("""
    document.querySelector(".skip").focus();
    window.stopped = [];
    return 1 + all(`${press}, ${fill}`).filter((each) => !each.disabled).length;
""")

#: The place where Tab has stopped: on the screen, with a mark of the focus, and after the one before.
STOP = _script("""
    const at = document.activeElement, look = getComputedStyle(at), place = at.getBoundingClientRect();
    const last = window.stopped.at(-1);
    if (last && !(last.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING))
        wrong.push(`out of order: ${name(at)}`);
    window.stopped.push(at);
    if (!place.width || place.right < 0 || place.bottom < 0 || place.left > innerWidth || place.top > innerHeight)
        wrong.push(`out of sight: ${name(at)}`);
    if (look.outlineStyle === "none" || parseFloat(look.outlineWidth) < 2)
        wrong.push(`no mark of the focus: ${name(at)}`);
    else if (ratio(look.outlineColor, ground(at.parentElement)) < 3)
        wrong.push(`a faint mark of the focus: ${name(at)}`);
    return wrong;
""")

#: After an answer that can't stay, the focus is on the first field that is wrong and says so, else on the sentence.
ERRORS = _script("""
    const first = document.querySelector("[aria-invalid=true]") ?? all("#told[role=alert]:not(.calm)")[0];
    if (!first) return wrong;
    if (document.activeElement !== first) wrong.push(`the focus isn't on ${name(first)}`);
    if (!document.title.startsWith("Something to change: ")) wrong.push(`not in the title: ${document.title}`);
    for (const each of all("[aria-invalid=true]")) {
        const told = (each.getAttribute("aria-describedby") ?? "").trim().split(/ +/);
        if (!told.some((id) => document.getElementById(id)?.matches(".wrong")))
            wrong.push(`it doesn't say what is wrong: ${name(each)}`);
    }
    return wrong;
""")

#: What a page says that can be seen, and how much of each kind there is to see.
SEEN = _script("""
    const kinds = [".shape", "progress", press, fill, box];
    return [document.body.innerText, ...kinds.map((kind) => all(kind).length)];
""")

#: In the system's own few colours: everything pressed, filled in or set apart has an edge, and no sign is gone.
FORCED = _script("""
    for (const each of all(`button, .button, ${fill}, ${box}`))
        if (!edge(each) || ratio(edge(each), ground(each.parentElement)) < 3) wrong.push(`no edge: ${name(each)}`);
    for (const each of all(".shape"))
        if (ratio(getComputedStyle(each).color, ground(each)) < 4.5) wrong.push(`a sign that is gone: ${name(each)}`);
    for (const each of all("progress:not([value])"))
        if (getComputedStyle(each).backgroundImage === "none") wrong.push(`an empty bar: ${name(each)}`);
    return wrong;
""")
