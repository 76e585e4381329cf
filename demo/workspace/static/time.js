// Times in the reader's own zone, short in sight and exact on hover.

const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const pick = (options) => new Intl.DateTimeFormat("en-GB", options);

/** A message's time is its name: seconds since 1970, a dot, and a counter. */
export const moment = (ts) => new Date(Number.parseFloat(ts) * 1000);
export const hour = (date) => HOUR.format(date);
export const full = (date) => FULL.format(date);

const days = (date, now) => {
  const midnight = (each) => new Date(each.getFullYear(), each.getMonth(), each.getDate()).getTime();
  return Math.round((midnight(date) - midnight(now)) / 86_400_000);
};

/** "Today", "Yesterday", "Tomorrow", or the day's own name. */
export function day(date, now = new Date()) {
  return { "-1": "Yesterday", 0: "Today", 1: "Tomorrow" }[days(date, now)] ?? DAY.format(date);
}

const relative = (date, other) => {
  const near = Math.abs(days(date, new Date())) < 2;
  return near ? day(date).toLowerCase() : other(date);
};

const TOKENS = {
  date_num: (date) => date.toISOString().slice(0, 10),
  date_slash: (date) => pick({ day: "2-digit", month: "2-digit", year: "numeric" }).format(date),
  date_short: (date) => pick({ day: "numeric", month: "short", year: "numeric" }).format(date),
  date: (date) => pick({ day: "numeric", month: "long", year: "numeric" }).format(date),
  date_long: (date) => pick({ dateStyle: "full" }).format(date),
  time: (date) => HOUR.format(date),
  time_secs: (date) => SECOND.format(date),
  day_divider_pretty: (date) => day(date),
  ago: (date) => ago(date),
};
TOKENS.date_pretty = (date) => relative(date, TOKENS.date);
TOKENS.date_short_pretty = (date) => relative(date, TOKENS.date_short);
TOKENS.date_long_pretty = (date) => relative(date, TOKENS.date_long);

/** What `<!date^SECONDS^FORMAT|…>` says: the format with each {token} in the reader's zone. */
export function dated(date, format) {
  return format.replace(/\{(\w+)\}/g, (whole, token) => (Object.hasOwn(TOKENS, token) ? TOKENS[token](date) : whole));
}

function ago(date) {
  const minutes = Math.round((date.getTime() - Date.now()) / 60_000);
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (Math.abs(minutes) < 60) return words.format(minutes, "minute");
  if (Math.abs(minutes) < 1440) return words.format(Math.round(minutes / 60), "hour");
  return words.format(Math.round(minutes / 1440), "day");
}
