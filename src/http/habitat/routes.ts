import type { FastifyInstance } from 'fastify'
import { replyHabitat, replyNoRoute } from '../requests/error-reply.ts'
import { inTurns } from '../requests/in-turns.ts'
import { streamBodies } from '../requests/package-body.ts'
import type { RouteContext } from '../requests/request.ts'
import { profileRoutes, profileTokenRoutes } from './accounts/profile.ts'
import { userReads } from './accounts/user.ts'
import { eventReads } from './channels/events.ts'
import { channelLists } from './channels/lists.ts'
import { channelReads, channelWrites } from './channels/routes.ts'
import { notServed } from './not-served.ts'
import { integrationReads, integrationWrites } from './origins/integrations.ts'
import { invitationReads, invitationWrites } from './origins/invitations.ts'
import { encryptionKeyRoute, keyReads, keyWrites } from './origins/keys.ts'
import { memberReads, memberWrites } from './origins/members.ts'
import { originReads, originWrites } from './origins/routes.ts'
import { secretRoutes } from './origins/secrets.ts'
import { dependentReads } from './packages/dependents.ts'
import { packageLists, versionLists } from './packages/lists.ts'
import { packageReads, packageWrites } from './packages/routes.ts'
import { searchReads } from './packages/search.ts'
import { settingsList, settingsRoutes } from './packages/settings.ts'
import { statusReads } from './status.ts'
import { AbsentViews } from './views/absent-views.ts'
import { belowViews } from './views/below-views.ts'
import { viewReads, viewWrites } from './views/routes.ts'

/** The routes of both mounts, but for those below views. */
const MOUNTED: readonly ((app: FastifyInstance, context: RouteContext, mount: string) => void)[] = [
  packageReads,
  packageLists,
  packageWrites,
  versionLists,
  searchReads,
  eventReads,
  channelReads,
  channelLists,
  channelWrites,
  originReads,
  originWrites,
  memberReads,
  memberWrites,
  invitationReads,
  invitationWrites,
  keyReads,
  keyWrites,
  encryptionKeyRoute,
  secretRoutes,
  integrationReads,
  integrationWrites,
]

/**
 * Adds the routes of the Habitat protocol below `/v1`. Most are served under two mounts: `/depot` and, as in
 * 2016, the root.
 */
export async function habitatRoutes(
  app: FastifyInstance,
  { context }: { context: RouteContext },
): Promise<void> {
  app.setErrorHandler(replyHabitat)
  app.setNotFoundHandler(replyNoRoute)
  await streamBodies(app)
  app.decorateRequest('past', undefined)

  statusReads(app)
  dependentReads(app, context)
  settingsList(app, context)
  settingsRoutes(app, context)
  userReads(app, context)
  profileRoutes(app, context)
  profileTokenRoutes(app, context)
  notServed(app)
  const absentViews = new AbsentViews(context)
  for (const mount of ['/depot', '']) {
    viewReads(app, context, mount)
    viewWrites(app, context, mount, absentViews)
    await inTurns(MOUNTED.map((add) => async () => add(app, context, mount)))
    await app.register(belowViews, { context, mount, absentViews })
  }
}
