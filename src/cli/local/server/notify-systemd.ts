import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Logger } from 'pino'

const MAX_NOTIFY_MS = 5_000

/**
 * Tells systemd that the depot listens, if systemd started the depot with `Type=notify`. Runs the program
 * systemd-notify, because Node has no Unix datagram sockets. Logs a failure and does not throw; systemd then
 * stops the depot when its start timeout ends. `status` is the text that `systemctl status` shows.
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
