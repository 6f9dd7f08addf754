export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) sum += a[k]! * b[k]!;
  return sum;
}

/** The product of a vector with as many of the bytes from `first` on. Four sums at a time, as each waits for its last addition. */
export function product(vector: Float64Array, bytes: Int8Array, first: number): number {
  const length = vector.length;
  const fours = length - (length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  let k = 0;
  for (; k < fours; k += 4) {
    const at = first + k;
    a += bytes[at]! * vector[k]!;
    b += bytes[at + 1]! * vector[k + 1]!;
    c += bytes[at + 2]! * vector[k + 2]!;
    d += bytes[at + 3]! * vector[k + 3]!;
  }
  for (; k < length; k += 1) a += bytes[first + k]! * vector[k]!;
  return a + b + (c + d);
}

/** L of the symmetric positive definite K = L Lᵀ, row by row. */
export function cholesky(kernel: readonly (readonly number[])[]): Float64Array[] {
  const rows: Float64Array[] = [];
  for (const [i, values] of kernel.entries()) {
    const row = new Float64Array(i + 1);
    for (let j = 0; j <= i; j += 1) {
      let sum = values[j]!;
      const other = rows[j] ?? row;
      for (let k = 0; k < j; k += 1) sum -= row[k]! * other[k]!;
      row[j] = i === j ? Math.sqrt(sum) : sum / other[j]!;
    }
    rows.push(row);
  }
  return rows;
}

/** x of L Lᵀ x = b. */
export function solve(factor: readonly Float64Array[], right: Float64Array): Float64Array {
  const x = Float64Array.from(right);
  const n = x.length;
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < i; k += 1) x[i]! -= factor[i]![k]! * x[k]!;
    x[i]! /= factor[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let k = i + 1; k < n; k += 1) x[i]! -= factor[k]![i]! * x[k]!;
    x[i]! /= factor[i]![i]!;
  }
  return x;
}
