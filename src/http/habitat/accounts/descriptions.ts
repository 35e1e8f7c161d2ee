import { REFUSED, empty, json, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import { OwnInvitations } from '../origins/shapes.ts'
import { ChangedProfile, OwnOrigins, Profile, Token, Tokens } from './shapes.ts'

// Describes the routes of the caller's own account for openapi.yaml.

/** Routes by method and path, relative to the mount. */
export const ACCOUNT_ROUTES: Readonly<Record<string, Description>> = {
  'GET /user/invitations': {
    operationId: 'habitatListOwnInvitations',
    summary: "Lists the caller's invitations",
    description: 'Oldest first.',
    answers: { 200: json('oldest first', OwnInvitations), ...REFUSED },
  },
  'GET /user/origins': {
    operationId: 'habitatListOwnOrigins',
    summary: "Lists the caller's origins",
    description: 'By name.',
    answers: { 200: json('by name', OwnOrigins), ...REFUSED },
  },
  'GET /profile': {
    operationId: 'habitatGetProfile',
    summary: "Shows the caller's account",
    description: 'With its email address.',
    answers: { 200: json('the account', Profile), ...REFUSED },
  },
  'PATCH /profile': {
    operationId: 'habitatChangeProfile',
    summary: "Sets the caller's email address",
    description: 'At most 254 characters. Safe to repeat.',
    body: ChangedProfile,
    consumes: ['application/json'],
    answers: { 200: empty('set'), 400: empty('invalid body'), ...REFUSED },
  },
  'GET /profile/access-tokens': {
    operationId: 'habitatListTokens',
    summary: "Lists the caller's profile token",
    description: 'One or none, and masked: a token is shown only when it is made.',
    answers: { 200: json('one or none', Tokens), ...REFUSED },
  },
  'POST /profile/access-tokens': {
    operationId: 'habitatCreateToken',
    summary: 'Makes a new profile token for the caller',
    description: 'It replaces the previous one, which stops working.',
    answers: { 200: json('the token', Token), ...REFUSED },
  },
  'DELETE /profile/access-tokens/:id': {
    operationId: 'habitatRevokeToken',
    summary: 'Revokes a token of the caller',
    description: 'It stops working at once.',
    answers: {
      200: empty('revoked'),
      401: text('not a token of the caller'),
      403: REFUSED[403],
      422: empty('not an id'),
    },
  },
}
