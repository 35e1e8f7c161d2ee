import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/**
 * Routes below a prefix that are loaded when the first request for them comes, in an instance of fastify of
 * their own. Loading them would take most of a start.
 */
export class LazyRoutes {
  readonly #build: () => PromiseLike<FastifyInstance>
  #loading: Promise<FastifyInstance> | undefined
  #loaded: FastifyInstance | undefined

  /**
   * Passes all requests of `server` below the prefix to the instance that `build` makes, which has hooks and
   * URLs of its own. The instance closes with `server`, which must have no hooks of requests. Once the routes
   * are loaded, and until the server stops, these requests do not pass through the router of `server`.
   */
  constructor(server: FastifyInstance, prefix: string, build: () => PromiseLike<FastifyInstance>) {
    this.#build = build
    const [route] = server.server.listeners('request')
    server.server.removeAllListeners('request')
    server.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const app = request.url?.startsWith(`${prefix}/`) === true ? this.#loaded : undefined
      if (app === undefined) route?.call(server.server, request, response)
      else app.routing(request, response)
    })
    server.addHook('preClose', async () => {
      this.#loaded = undefined
    })
    server.register(
      async (scope) => {
        // The scope has no routes, so that all requests count as not found. Their bodies are not read.
        scope.setNotFoundHandler(() => undefined)
        scope.addHook('onRequest', async (request, reply) => {
          const app = this.#loaded ?? (await this.load())
          reply.hijack()
          app.routing(request.raw, reply.raw)
        })
      },
      { prefix },
    )
    server.addHook('onClose', async () => (await this.#loading)?.close())
  }

  /** Resolves when the routes are loaded. After a failure, the next call tries again. */
  load(): Promise<FastifyInstance> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  async #load(): Promise<FastifyInstance> {
    try {
      const app = await this.#build()
      await app.ready()
      this.#loaded = app
      return app
    } catch (error) {
      this.#loading = undefined
      throw error
    }
  }
}
