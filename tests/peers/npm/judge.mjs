// Judges values by Slack's own TypeScript types: {"type": "KnownBlock", "values": […]} in, one complaint a line out.
//
// The types become a JSON schema once for each version of the packages; making one takes seconds, using it none.

import Ajv from "ajv";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";

const HERE = dirname(fileURLToPath(import.meta.url));
const MODULES = join(HERE, "node_modules");
const SOURCES = {
  Manifest: ["@slack/web-api", "dist/types/request/manifest.d.ts"],
  KnownBlock: ["@slack/types", "dist/index.d.ts"],
  View: ["@slack/types", "dist/index.d.ts"],
};

function schema(type) {
  const [name, path] = SOURCES[type];
  const { version } = JSON.parse(readFileSync(join(MODULES, name, "package.json"), "utf8"));
  const kept = join(MODULES, ".cache", "schemas", `${type}-${version}.json`);
  try {
    return JSON.parse(readFileSync(kept, "utf8"));
  } catch {
    const made = createGenerator({ path: join(MODULES, name, path), type, skipTypeCheck: true, additionalProperties: false }).createSchema(type);
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(kept, JSON.stringify(made));
    return made;
  }
}

const { type, values } = JSON.parse(readFileSync(0, "utf8"));
const judge = new Ajv({ allErrors: true, strict: false }).compile(schema(type));
values.forEach((value, at) => {
  if (judge(value)) return;
  // Where a value fits no member of a union, every member complains; what a member says of its own kind is enough.
  const told = judge.errors.filter(({ keyword }) => !["anyOf", "const", "$ref"].includes(keyword));
  for (const { instancePath, message, params } of told.length ? told : judge.errors) {
    console.log(`${at}${instancePath}: ${message} ${JSON.stringify(params)}`);
  }
});
