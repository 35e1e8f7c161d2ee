import {
  code,
  decoderInit,
  end,
  getModule,
  initModule,
  LZMA_MEM_ERROR,
  LZMA_OK,
  LZMA_RUN,
  WasmLzmaStream,
} from 'node-liblzma/wasm'
import { DepotError } from '../errors.ts'
import type { Payload } from './payload-file.ts'
import { MAX_DICTIONARY_BYTES, STREAM_HEADER_BYTES } from './xz.ts'
import type { XzBlock } from './xz.ts'

// Decodes with liblzma in WebAssembly. It can reach only its own memory, which has the dictionary and the two
// buffers below. This memory grows, but never shrinks. liblzma checks the CRC of every block that is decoded
// to its end.

const BUFFER_BYTES = 65536
/** liblzma counts the dictionary and its own state, which is smaller than 1 MiB. */
const MEMORY_LIMIT = MAX_DICTIONARY_BYTES + 1024 * 1024

const NO_MEMORY = 'liblzma has no memory left'

/** The minimum size of the window of a {@link PayloadFile} for {@link decodeXz}. */
export const DECODE_WINDOW_BYTES = BUFFER_BYTES

/** Receives the unpacked bytes of a file, in order. */
export interface XzOutput {
  /**
   * Takes the next bytes, at most 64 KiB, which are valid only during the call. `'enough'` ends the decoding.
   */
  write(bytes: Uint8Array): 'more' | 'enough'
  /**
   * Called before each block with the number of its unpacked bytes. If it returns true, the block is not
   * decoded, and its bytes count as written.
   */
  skip(bytes: number): boolean
}

/**
 * Decodes a file that {@link walkXz} accepted, or those of its blocks that `output` does not skip. Throws
 * `hart_malformed` if the data of a decoded block is damaged.
 */
export async function decodeXz(file: Payload, blocks: Iterable<XzBlock>, output: XzOutput): Promise<void> {
  await initModule()
  using decoder = new Decoder(output)
  decoder.decode(file.bytes(0, STREAM_HEADER_BYTES))
  // Every block begins with an empty dictionary, so blocks can be left out. Only the index at the end of the
  // file would tell liblzma that blocks are missing, and the index is not decoded.
  for (const { start, sizeBytes, unpackedBytes } of blocks) {
    if (output.skip(unpackedBytes)) continue
    const after = start + sizeBytes
    for (let at = start; at < after; at += BUFFER_BYTES) {
      if (decoder.decode(file.bytes(at, Math.min(BUFFER_BYTES, after - at))) === 'enough') return
    }
  }
}

/** A stream of liblzma with one buffer for its input and one for its output. */
class Decoder {
  readonly #sink: XzOutput
  readonly #module = getModule()
  readonly #memory: DisposableStack
  readonly #stream: WasmLzmaStream
  readonly #input: number
  readonly #output: number

  constructor(sink: XzOutput) {
    this.#sink = sink
    using memory = new DisposableStack()
    this.#stream = memory.adopt(new WasmLzmaStream(this.#module), (stream) => stream.free())
    this.#input = memory.adopt(allocate(BUFFER_BYTES), free)
    this.#output = memory.adopt(allocate(BUFFER_BYTES), free)
    memory.defer(() => end(this.#stream))
    decoderInit(this.#stream, MEMORY_LIMIT)
    this.#memory = memory.move()
  }

  /**
   * Decodes the input, at most 64 KiB, and writes the output to the sink. Returns early if the sink has
   * enough.
   */
  decode(input: Uint8Array): 'more' | 'enough' {
    this.#module.HEAPU8.set(input, this.#input)
    this.#stream.setInput(this.#input, input.length)
    for (let isFull = true; isFull || this.#stream.availIn > 0;) {
      const output = this.#run()
      if (output.length > 0 && this.#sink.write(output) === 'enough') return 'enough'
      isFull = output.length === BUFFER_BYTES
    }
    return 'more'
  }

  /** Decodes until the output is full or the input is used up. */
  #run(): Uint8Array {
    this.#stream.setOutput(this.#output, BUFFER_BYTES)
    const status = code(this.#stream, LZMA_RUN)
    if (status === LZMA_MEM_ERROR) throw new Error(NO_MEMORY)
    if (status !== LZMA_OK)
      throw new DepotError('hart_malformed', 'its compressed archive is damaged in its data')
    const length = BUFFER_BYTES - this.#stream.availOut
    return this.#module.HEAPU8.subarray(this.#output, this.#output + length) // the heap moves when it grows
  }

  [Symbol.dispose](): void {
    this.#memory.dispose()
  }
}

/** Allocates bytes in the memory of liblzma. Returns their address. */
function allocate(bytes: number): number {
  const address = getModule()._malloc(bytes)
  if (address === 0) throw new Error(NO_MEMORY)
  return address
}

function free(address: number): void {
  getModule()._free(address)
}
