import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import { replyHabitat } from '../requests/error-reply.ts'
import type { Door } from '../requests/request.ts'
import { AbsentViews } from './absent-views.ts'
import { belowViews } from './below-views.ts'
import { channelLists } from './channel-lists.ts'
import { channelReads, channelWrites } from './channels.ts'
import { eventReads } from './events.ts'
import { integrationReads, integrationWrites } from './integrations.ts'
import { invitationReads, invitationWrites } from './invitations.ts'
import { encryptionKey, keyReads, keyWrites } from './keys.ts'
import { packageLists, versionLists } from './lists.ts'
import { memberReads, memberWrites } from './members.ts'
import { notServed } from './not-served.ts'
import { originReads, originWrites } from './origins.ts'
import { packageReads, packageWrites } from './packages.ts'
import { profileRoutes, profileTokenRoutes } from './profile.ts'
import { dependentReads } from './rdeps.ts'
import { searchReads } from './search.ts'
import { secretRoutes } from './secrets.ts'
import { settingsList, settingsRoutes } from './settings.ts'
import { statusReads } from './status.ts'
import { userReads } from './user.ts'
import { viewReads, viewWrites } from './views.ts'

/** Of a field beside the package in a form: nothing reads it. */
const LARGEST_FIELD_BYTES = 1024

/**
 * What Habitat's clients of all years knock at, below `/v1`: under `depot/` and, as the depot of 2016 did alone, without it.
 */
export async function habitatDoor(app: FastifyInstance, { door }: { door: Door }): Promise<void> {
  app.setErrorHandler(replyHabitat)
  app.setNotFoundHandler((_request, reply) => reply.code(404).send())
  // Rights come before bodies, and clients send bodies under any type, or none: a handler gets the stream, and reads it or not.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, body, done) => done(null, body))
  await app.register(multipart, {
    limits: { files: 1, fields: 8, fieldSize: LARGEST_FIELD_BYTES, fileSize: Number.MAX_SAFE_INTEGER },
  })

  statusReads(app)
  dependentReads(app, door)
  settingsList(app, door)
  settingsRoutes(app, door)
  userReads(app, door)
  profileRoutes(app, door)
  profileTokenRoutes(app, door)
  notServed(app)
  const absentViews = new AbsentViews(door.depot, door.answers)
  for (const mount of ['/depot', '']) {
    viewReads(app, door, mount)
    viewWrites(app, door, mount, absentViews)
    packageReads(app, door, mount)
    packageLists(app, door, mount)
    packageWrites(app, door, mount)
    versionLists(app, door, mount)
    searchReads(app, door, mount)
    eventReads(app, door, mount)
    channelReads(app, door, mount)
    channelLists(app, door, mount)
    channelWrites(app, door, mount)
    originReads(app, door, mount)
    originWrites(app, door, mount)
    memberReads(app, door, mount)
    memberWrites(app, door, mount)
    invitationReads(app, door, mount)
    invitationWrites(app, door, mount)
    keyReads(app, door, mount)
    keyWrites(app, door, mount)
    encryptionKey(app, door, mount)
    secretRoutes(app, door, mount)
    integrationReads(app, door, mount)
    integrationWrites(app, door, mount)
    await app.register(belowViews, { door, mount, absentViews })
  }
}
