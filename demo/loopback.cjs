// Loaded before a program that would listen on every address: it listens on this machine's own instead.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (...given) {
  const [first, second] = given;
  if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
    given = typeof second === "string" ? [first, "127.0.0.1", ...given.slice(2)] : [first, "127.0.0.1", ...given.slice(1)];
  } else if (first && typeof first === "object" && first.port !== undefined) {
    given = [{ ...first, host: "127.0.0.1" }, ...given.slice(1)];
  }
  return listen.apply(this, given);
};
