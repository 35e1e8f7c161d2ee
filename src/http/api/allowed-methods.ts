import type { FastifyInstance } from 'fastify'

/**
 * Returns a function that lists the methods of the routes at a path, sorted. The list is empty if there is no
 * route. Only routes that are registered after this call count.
 */
export function collectMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { pattern: patternOf(url), methods: new Set() }
    routes.set(url, route)
    for (const each of [method].flat()) route.methods.add(each)
  })
  return (path) => {
    const found = [...routes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap(({ methods }) => [...methods])
    return [...new Set(found)].toSorted()
  }
}

/** Makes a pattern from a route's URL, for example `/api/v1/views/:view`. A trailing slash is ignored. */
function patternOf(url: string): RegExp {
  const segments = url
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[^\w-]/g, '\\$&')))
  return new RegExp(`^${segments.join('/')}/?$`)
}
