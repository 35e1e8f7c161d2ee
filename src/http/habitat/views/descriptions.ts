import { z } from 'zod'
import { named } from '../../requests/described.ts'
import { PROMOTED, NOT_FOUND, REFUSED, json } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'

// Describes the routes of views for openapi.yaml.

const ViewNames = named('HabitatViewNames', z.array(z.string()), ['unstable', 'acceptance', 'union'])

/** Routes by method and path, relative to the mount. */
export const VIEW_ROUTES: Readonly<Record<string, Description>> = {
  'GET /views': {
    operationId: 'habitatListViews',
    summary: 'Lists the names of the open views',
    description: 'In the order of their creation.',
    answers: { 200: json('names', ViewNames) },
  },
  'POST /views/:view/pkgs/:origin/:name/:version/:release/promote': {
    operationId: 'habitatPromoteIntoView',
    summary: 'Promotes a release into a view',
    description: 'As clients of 2016 do. Promoting what is latest already succeeds and changes nothing.',
    query: ['target'],
    answers: { ...PROMOTED, ...REFUSED, ...NOT_FOUND },
  },
}
