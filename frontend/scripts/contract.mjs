// src/shared/contract.ts from contract.schema.json, which `make docs` writes from the Python models; --check writes nothing.
import { readFileSync, writeFileSync } from "node:fs";
import { compileFromFile } from "json-schema-to-typescript";

const PATH = "src/shared/contract.ts";
const text = await compileFromFile("contract.schema.json", {
  bannerComment: "// Made of contract.schema.json by `npm run contract`; change the Python models instead.",
  additionalProperties: false,
  format: false,
});
if (process.argv.includes("--check")) {
  if (readFileSync(PATH, "utf-8") !== text) {
    console.error(`${PATH} is out of date: run \`npm run contract\``);
    process.exit(1);
  }
} else {
  writeFileSync(PATH, text);
}
