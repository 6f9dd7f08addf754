/** Imported before all else: packages that need a newer Node fail in ways that do not say so. */
const needed = 20;
if (Number.parseInt(process.versions.node, 10) < needed) {
  process.stderr.write(
    `Node ${process.versions.node} is too old: Segue needs Node ${needed} or newer (https://nodejs.org)\n`,
  );
  process.exit(1);
}
