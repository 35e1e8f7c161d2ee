import type { FastifyReply } from 'fastify'
import { KeyFileText } from './shapes.ts'

/** The response of routes that send a key file. */
export const KEY_FILE_RESPONSE = {
  200: { description: 'the key file', content: { 'text/plain': { schema: KeyFileText } } },
}

/** Sends a key file as text. */
export function replyKeyFile(reply: FastifyReply, file: string): FastifyReply {
  return reply
    .header('cache-control', 'no-cache')
    .type('text/plain; charset=utf-8')
    .serializer(String)
    .send(file)
}
