import { z } from 'zod'
import { REFUSED, empty, json, schemaOf, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import { Invitation } from '../origins/shapes.ts'
import { ChangedProfile, OwnOrigin, Profile, Token, Tokens } from './shapes.ts'

// Describes the routes of the caller's own account for openapi.yaml.

const NOT_SERVED = { 401: REFUSED[401], 404: empty('not served') }

/** Routes by method and path, relative to the mount. */
export const ACCOUNT_ROUTES: Readonly<Record<string, Description>> = {
  'GET /user/invitations': {
    summary: "The caller's invitations",
    answers: { 200: json('oldest first', z.array(Invitation)), ...REFUSED },
  },
  'GET /user/origins': {
    summary: "The caller's origins",
    answers: { 200: json('by name', z.array(OwnOrigin)), ...REFUSED },
  },
  'GET /profile': {
    summary: "The caller's account",
    answers: { 200: json('the account', Profile), ...REFUSED },
  },
  'PATCH /profile': {
    summary: "Sets the caller's email address",
    body: schemaOf(ChangedProfile),
    consumes: ['application/json'],
    answers: { 200: empty('set'), 400: empty('invalid body'), ...REFUSED },
  },
  'GET /profile/access-tokens': {
    summary: "The caller's profile token, masked: a token is shown only when it is made",
    answers: { 200: json('one or none', Tokens), ...REFUSED },
  },
  'POST /profile/access-tokens': {
    summary: 'Makes a new profile token for the caller, which replaces the previous one',
    answers: { 200: json('the token', Token), ...REFUSED },
  },
  'DELETE /profile/access-tokens/:id': {
    summary: 'Revokes a token of the caller',
    answers: {
      200: empty('revoked'),
      401: text('not a token of the caller'),
      403: REFUSED[403],
      422: empty('not an id'),
    },
  },
  'GET /profile/license': { summary: 'Not served', answers: NOT_SERVED },
  'PUT /profile/license': { summary: 'Not served', answers: NOT_SERVED },
  'POST /ext/integrations/:type/credentials/validate': { summary: 'Not served', answers: NOT_SERVED },
}
