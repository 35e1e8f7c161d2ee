import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { shellQuote } from '../../../text/shell-quote.ts'
import { copyable } from './parts.ts'
import type { Visit } from './visit.ts'

// Commands of a shell that do what a form does.

/** Returns the request of the API, with a body if it has one. `path` begins after `/api/v1`. */
export function curlCommand(
  visit: Visit,
  { method, path, body }: { method: 'DELETE' | 'POST' | 'PUT'; path: string; body?: unknown },
): string {
  return [
    `curl -sS --fail-with-body -X ${method} -H "Authorization: Bearer $HART_DEPOT_TOKEN"`,
    ...(body === undefined
      ? []
      : [`  -H 'Content-Type: application/json' -d ${shellQuote(JSON.stringify(body))}`]),
    `  ${shellQuote(`${visit.depotUrl}/api/v1${path}`)}`,
  ].join(' \\\n')
}

/** The commands that do the same as the forms of a page. */
export function sameCommands(commands: readonly string[]): SafeHtml {
  return html`<details><summary>The same on the command line</summary>${commands.map((command) => copyable(command))}</details>`
}
