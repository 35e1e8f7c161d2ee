import type { FastifyInstance } from 'fastify'

/** Gives the handlers of a scope the bodies of requests as text, whatever their Content-Type. */
export function takeBodiesAsText(scope: FastifyInstance, { maxBytes }: { maxBytes: number }): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: maxBytes }, (_request, body, done) =>
    done(null, body),
  )
}
