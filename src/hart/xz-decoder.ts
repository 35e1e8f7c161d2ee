import {
  code,
  decoderInit,
  end,
  getModule,
  initModule,
  LZMA_MEM_ERROR,
  LZMA_OK,
  LZMA_RUN,
  LZMA_STREAM_END,
  WasmLzmaStream,
} from 'node-liblzma/wasm'
import { DepotError } from '../errors.ts'
import type { PayloadFile } from './payload-file.ts'
import { LARGEST_DICTIONARY } from './xz.ts'

// liblzma in WebAssembly. It cannot reach memory outside its own, which holds the dictionary and the two buffers below, and does not
// shrink again. It checks the CRC of every block that is decoded to its end.

const BUFFER_BYTES = 65536
/** Beside the dictionary, liblzma counts its own state, which is smaller than this. */
const MEMORY_LIMIT = LARGEST_DICTIONARY + 1024 * 1024

const NO_MEMORY = 'liblzma has no memory left'

/** The smallest window that the file may have. */
export const DECODE_WINDOW_BYTES = BUFFER_BYTES

/**
 * Decodes a file that {@link walkXz} accepted. Passes the output on in pieces of at most 64 KiB, which are valid only during the call, and
 * stops when `output` returns `'enough'`. Throws `hart_malformed` if the data is damaged.
 */
export async function decodeXz(
  file: PayloadFile,
  output: (bytes: Uint8Array) => 'more' | 'enough',
): Promise<void> {
  await initModule()
  using decoder = new Decoder()
  for (let at = 0; ;) {
    if (decoder.needsInput) {
      const input = file.bytes(at, Math.min(BUFFER_BYTES, file.sizeBytes - at))
      at += input.length
      decoder.supply(input)
    }
    const isLast = decoder.run()
    if (output(decoder.output) === 'enough' || isLast) return
  }
}

/** A stream of liblzma with one buffer for its input and one for its output. */
class Decoder {
  readonly #module = getModule()
  readonly #stream = new WasmLzmaStream(this.#module)
  readonly #input = allocate(BUFFER_BYTES)
  readonly #output = allocate(BUFFER_BYTES)

  constructor() {
    decoderInit(this.#stream, MEMORY_LIMIT)
  }

  get needsInput(): boolean {
    return this.#stream.availIn === 0
  }

  supply(bytes: Uint8Array): void {
    this.#module.HEAPU8.set(bytes, this.#input)
    this.#stream.setInput(this.#input, bytes.length)
  }

  /** Fills the output until it is full or the input is used up. Returns whether the stream has ended. */
  run(): boolean {
    this.#stream.setOutput(this.#output, BUFFER_BYTES)
    const status = code(this.#stream, LZMA_RUN)
    if (status === LZMA_OK || status === LZMA_STREAM_END) return status === LZMA_STREAM_END
    if (status === LZMA_MEM_ERROR) throw new Error(NO_MEMORY)
    throw new DepotError('hart_malformed', 'its compressed archive is damaged in its data')
  }

  /** What the last run produced. The next run overwrites it. */
  get output(): Uint8Array {
    const length = BUFFER_BYTES - this.#stream.availOut
    return this.#module.HEAPU8.subarray(this.#output, this.#output + length) // the heap moves when it grows
  }

  [Symbol.dispose](): void {
    end(this.#stream)
    this.#stream.free()
    this.#module._free(this.#input)
    this.#module._free(this.#output)
  }
}

/** Returns the address of new memory of liblzma. */
function allocate(bytes: number): number {
  const address = getModule()._malloc(bytes)
  if (address === 0) throw new Error(NO_MEMORY)
  return address
}
