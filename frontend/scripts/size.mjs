// The first load must stay small: what index.html needs, with what that imports statically, gzipped. Prints it; fails when it is more.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const MOST_KIB = { js: 130, css: 20 };
const manifest = JSON.parse(readFileSync("dist/.vite/manifest.json", "utf-8"));

const first = new Set();
const visit = (key) => {
  const chunk = manifest[key];
  if (first.has(chunk.file)) return;
  first.add(chunk.file);
  for (const each of chunk.css ?? []) first.add(each);
  for (const each of chunk.imports ?? []) visit(each);
};
visit("index.html");

const kib = (file) => gzipSync(readFileSync(`dist/${file}`)).length / 1024;
let tooMuch = false;
for (const [kind, most] of Object.entries(MOST_KIB)) {
  const size = [...first].filter((file) => file.endsWith(`.${kind}`)).reduce((sum, file) => sum + kib(file), 0);
  console.log(`First load, ${kind}: ${size.toFixed(1)} KiB gzip, of ${most} at most`);
  tooMuch ||= size > most;
}
const lazily = Object.values(manifest).filter(({ file }) => file.endsWith(".js") && !first.has(file));
for (const { file } of lazily) console.log(`Later: ${file} ${kib(file).toFixed(1)} KiB`);
process.exit(tooMuch ? 1 : 0);
