import type { ColumnChunk, ColumnMetaData } from "hyparquet";
import type { ByteWriter } from "hyparquet-writer";
import { writePageHeader } from "hyparquet-writer/src/datapage.js";
import type { ParquetColumn } from "./parquet";
import { packed } from "./parquet-runs";
import { boundsOf, type Dictionary, dictionaryOf, KINDS, type Kind, type Value } from "./parquet-values";
import { snappy } from "./snappy";

type Codec = "SNAPPY" | "UNCOMPRESSED";
type PageHeader = Parameters<typeof writePageHeader>[1];

/** Rows of a page, as parquet-java's `parquet.page.row.count.limit`. */
const PAGE_ROWS = 20_000;
const NOTHING: Uint8Array = new Uint8Array();

/** Appends pages to a file and keeps account of them. */
class Pages {
  /** Bytes before compression. */
  uncompressed = 0;
  /** How many pages there are of each type and encoding. */
  readonly stats: NonNullable<ColumnMetaData["encoding_stats"]> = [];

  constructor(
    private readonly writer: ByteWriter,
    private readonly codec: Codec,
  ) {}

  write(
    header: Omit<PageHeader, "uncompressed_page_size" | "compressed_page_size">,
    body: Uint8Array,
    levels = NOTHING,
  ) {
    const compressed = this.codec === "SNAPPY" ? snappy(body) : body;
    const start = this.writer.offset;
    writePageHeader(this.writer, {
      ...header,
      uncompressed_page_size: levels.length + body.length,
      compressed_page_size: levels.length + compressed.length,
    });
    this.uncompressed += this.writer.offset - start + levels.length + body.length;
    this.writer.appendBytes(levels);
    this.writer.appendBytes(compressed);
    const { encoding } = (header.data_page_header_v2 ?? header.dictionary_page_header)!;
    const same = this.stats.find((one) => one.page_type === header.type && one.encoding === encoding);
    if (same) same.count++;
    else this.stats.push({ page_type: header.type, encoding, count: 1 });
  }
}

const isNull = (cell: unknown): boolean => cell === null || cell === undefined;

/** The cells that hold something and, of each row, whether it is one of them. */
function withoutNulls(cells: readonly unknown[]): { readonly filled: readonly unknown[]; readonly levels: Uint8Array } {
  const levels = new Uint8Array(cells.length).fill(1);
  let nulls = 0;
  for (let i = 0; i < cells.length; i++) {
    if (isNull(cells[i])) {
      levels[i] = 0;
      nulls++;
    }
  }
  if (nulls === 0) return { filled: cells, levels };
  const filled: unknown[] = [];
  if (nulls < cells.length) for (let i = 0; i < cells.length; i++) if (!isNull(cells[i])) filled.push(cells[i]);
  return { filled, levels };
}

function ones(levels: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < levels.length; i++) sum += levels[i]!;
  return sum;
}

/** Values that tell whether a column shrinks, and by how much it must to be worth the time of writers and readers. */
const SAMPLE = 256;
const WORTH = 7 / 8;

/** Random ids, which most of a file is, hardly shrink. */
function codecFor(kind: Kind, values: readonly Value[], dictionary: Dictionary | undefined): Codec {
  if (dictionary || values.length <= SAMPLE) return "SNAPPY";
  const sample = kind.plain(values.slice(0, SAMPLE));
  return snappy(sample).length <= WORTH * sample.length ? "SNAPPY" : "UNCOMPRESSED";
}

/** Values of one page in the encoding that makes them shortest, or nearly. */
function encoded(kind: Kind, values: readonly Value[], dictionary: Dictionary | undefined, from: number, to: number) {
  if (dictionary) {
    const { places, width } = dictionary;
    return { encoding: "RLE_DICTIONARY", body: packed(places.subarray(from, to), width, width) } as const;
  }
  const some = from === 0 && to === values.length ? values : values.slice(from, to);
  return { encoding: "PLAIN", body: kind.plain(some) } as const;
}

/**
 * Appends the chunk of one flat column: its dictionary, where that makes it shorter, and its pages (data page version 2).
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/
 * @returns what the footer says of it
 * @throws Error when a value does not fit the column
 */
export function columnChunk(writer: ByteWriter, column: ParquetColumn, cells: readonly unknown[]): ColumnChunk {
  const { name, type, nullable = false } = column;
  const kind = KINDS[type];
  const { filled, levels } = nullable ? withoutNulls(cells) : { filled: cells, levels: undefined };
  const values = kind.read(filled);
  if (typeof values === "number") throw new Error(`column ${name}: ${filled[values]} is no ${type}`);

  const start = writer.offset;
  const dictionary = dictionaryOf(values, kind);
  const codec = codecFor(kind, values, dictionary);
  const pages = new Pages(writer, codec);
  if (dictionary) {
    const dictionary_page_header = { num_values: dictionary.values.length, encoding: "PLAIN" } as const;
    pages.write({ type: "DICTIONARY_PAGE", dictionary_page_header }, kind.plain(dictionary.values));
  }
  const dataStart = writer.offset;
  let from = 0;
  for (let row = 0; row < cells.length; row += PAGE_ROWS) {
    const rows = Math.min(PAGE_ROWS, cells.length - row);
    const pageLevels = levels?.subarray(row, row + rows);
    const to = from + (pageLevels ? ones(pageLevels) : rows);
    const { encoding, body } = encoded(kind, values, dictionary, from, to);
    const definition = pageLevels ? packed(pageLevels, 1) : NOTHING;
    const data_page_header_v2 = {
      num_values: rows,
      num_nulls: rows - (to - from),
      num_rows: rows,
      encoding,
      definition_levels_byte_length: definition.length,
      repetition_levels_byte_length: 0,
      is_compressed: codec === "SNAPPY",
    };
    pages.write({ type: "DATA_PAGE_V2", data_page_header_v2 }, body, definition);
    from = to;
  }

  const [least, greatest] = boundsOf(dictionary?.values ?? values);
  return {
    meta_data: {
      type: kind.physical,
      encodings: [...new Set(pages.stats.map(({ encoding }) => encoding))],
      path_in_schema: [name],
      codec,
      num_values: BigInt(cells.length),
      total_uncompressed_size: BigInt(pages.uncompressed),
      total_compressed_size: BigInt(writer.offset - start),
      data_page_offset: BigInt(dataStart),
      ...(dictionary && { dictionary_page_offset: BigInt(start) }),
      statistics: {
        null_count: BigInt(cells.length - values.length),
        ...(least !== undefined && { min_value: least }),
        ...(greatest !== undefined && { max_value: greatest }),
      },
      encoding_stats: pages.stats,
    },
    file_offset: BigInt(start),
  };
}
