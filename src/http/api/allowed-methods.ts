import type { FastifyInstance } from 'fastify'

/** Tells the methods of the routes at a path, sorted; none where there is no route. Knows the routes that are registered after the call. */
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

/** Of a route's URL, such as `/api/v1/views/:view`. A slash at the end does not matter. */
function patternOf(url: string): RegExp {
  const segments = url
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[^\w-]/g, '\\$&')))
  return new RegExp(`^${segments.join('/')}/?$`)
}
