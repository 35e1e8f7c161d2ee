import type { IncomingMessage } from 'node:http'

/** An operation with its input, as the generated methods pass it. */
export interface Call {
  readonly method: string
  /** With parameters in braces, which are fields of the input. */
  readonly path: string
  /** The parameters, and the body as `body`. */
  readonly input?: object
  /** The fields of the input that belong into the query. */
  readonly query?: readonly string[]
  /** The type of the body, if there is one. */
  readonly contentType?: string
  /**
   * Whether the operation accepts an idempotency key. The client then sends one, so that it can repeat the
   * request.
   */
  readonly takesKey?: true
  /** Whether the answer is not JSON. */
  readonly isData?: true
  /** A field that every answer has. Without it, the answer is not of a depot. */
  readonly field?: string
  /** Whether the token is left out. */
  readonly isAnonymous?: true
}

export interface CallOptions {
  /** The default is a new key for each call. Give one to repeat the call of an earlier process. */
  readonly idempotencyKey?: string
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Further headers, for example `if-match` or `range`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Called with the number of bytes of the body that have been sent so far. */
  readonly onProgress?: (sentBytes: number) => void
}

/** An answer that is not JSON. The caller must read the body to its end or destroy it. */
export interface DataAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: IncomingMessage
  text(): Promise<string>
}

/** A file that is sent as a body. */
export class FileBody {
  readonly path: string
  readonly size: number

  constructor(path: string, size: number) {
    this.path = path
    this.size = size
  }
}

/** A body that is not JSON. */
export type RawBody = string | FileBody

type Parameter = string | number | boolean

interface Parts {
  /** With the query. */
  readonly path: string
  readonly body: RawBody | undefined
}

/**
 * Returns the path of a call, with the query, and its body. Throws a RangeError for a parameter that would
 * change the path.
 */
export function partsOf({ path, input = {}, query = [], contentType }: Call): Parts {
  const fields = input as Readonly<Record<string, Parameter | Parameter[] | undefined>>
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => pathPart(name, String(fields[name])))
  const search = new URLSearchParams()
  for (const name of query)
    for (const value of [fields[name]].flat()) if (value !== undefined) search.append(name, String(value))
  const body: unknown = 'body' in input ? input.body : undefined
  return {
    path: search.size === 0 ? filled : `${filled}?${search.toString()}`,
    body:
      contentType === undefined || body === undefined
        ? undefined
        : typeof body === 'string' || body instanceof FileBody
          ? body
          : JSON.stringify(body),
  }
}

function pathPart(name: string, value: string): string {
  // A server may resolve dots before it decodes them.
  if (value === '' || value === '.' || value === '..')
    throw new RangeError(`${name} cannot be ${JSON.stringify(value)}`)
  return encodeURIComponent(value)
}
