import { z } from 'zod'
import { PROMOTED, NOT_FOUND, REFUSED, json } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'

// Describes the routes of views for openapi.yaml.

/** Routes by method and path, relative to the mount. */
export const VIEW_ROUTES: Readonly<Record<string, Description>> = {
  'GET /views': {
    summary: 'The names of the open views',
    answers: { 200: json('names', z.array(z.string())) },
  },
  'POST /views/:view/pkgs/:origin/:name/:version/:release/promote': {
    summary: 'Promotes a release into a view',
    query: ['target'],
    answers: { ...PROMOTED, ...REFUSED, ...NOT_FOUND },
  },
}
