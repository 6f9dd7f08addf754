import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Paths of the files under `root` that `keep` accepts, relative, with `/`, in an order that no machine changes. */
export function filesUnder(root: string, keep: (path: string) => boolean): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll("\\", "/"),
    )
    .filter(keep)
    .sort();
}

/**
 * A tar archive of text files under `root`, the same bytes wherever it is made: no owner, no times, line ends of Unix. Libraries for it
 * work in streams, for which synth cannot wait.
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
 * @param made texts that are in the archive and no files, by path
 * @throws Error when a name is longer than the 100 bytes that the header holds
 */
export function tar(root: string, paths: readonly string[], made: Readonly<Record<string, string>> = {}): Buffer {
  const read = (path: string): [string, string] => [path, readFileSync(join(root, path), "utf8")];
  const blocks = [...paths.map(read), ...Object.entries(made)].flatMap(([path, text]) => {
    const body = Buffer.from(text.replaceAll("\r\n", "\n"));
    return [header(path, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(name: string, size: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`${name}: the name is too long for the archive`);
  const block = Buffer.alloc(512);
  const octal = (value: number, offset: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, "0"), offset);
  block.write(name);
  octal(0o644, 100, 7); // mode
  octal(0, 108, 7); // owner
  octal(0, 116, 7); // group
  octal(size, 124, 11);
  octal(0, 136, 11); // time
  block.write("0", 156); // a plain file
  block.write("ustar\u000000", 257);
  block.fill(" ", 148, 156); // the checksum counts itself as spaces
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block.writeUInt8(0, 154);
  return block;
}
