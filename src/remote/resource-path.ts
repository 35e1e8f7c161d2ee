import { RemoteError } from './remote-error.ts'

/**
 * Returns a path with encoded values. A value may have several segments. Throws a {@link RemoteError} if one
 * of them is `.` or `..`, which encoding does not change, because the request would go to another place.
 */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw({ raw: parts }, ...values.map((value) => value.split('/').map(encodeSegment).join('/')))
}

function encodeSegment(segment: string): string {
  if (segment === '.' || segment === '..')
    throw new RemoteError('refused', `a name in the path of a request cannot be ${segment}`)
  return encodeURIComponent(segment)
}
