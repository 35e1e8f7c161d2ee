import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Logger } from 'pino'

const MAX_NOTIFY_MS = 5_000

/**
 * Tells systemd that the depot listens, if systemd started it with `Type=notify`. The program systemd-notify
 * sends the message, because Node has no datagram sockets of Unix. A failure is only logged: systemd then
 * ends the depot after its start timeout.
 */
export async function notifySystemd(
  environment: Readonly<Record<string, string | undefined>>,
  status: string,
  log: Logger,
): Promise<void> {
  if (environment['NOTIFY_SOCKET'] === undefined) return
  await promisify(execFile)('systemd-notify', ['--ready', `--status=${status}`], {
    timeout: MAX_NOTIFY_MS,
  }).catch((error: unknown) =>
    log.error({ err: error }, 'systemd was not told that the depot is ready: systemd-notify failed'),
  )
}
