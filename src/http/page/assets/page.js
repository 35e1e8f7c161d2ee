'use strict'

// The script of all pages. Every page works without it. It copies texts, follows the depot, and saves the
// keyboard some ways. `Idiomorph` comes from the library that stands before this file.

const find = (selector, root = document) => root.querySelector(selector)
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)]
const topOf = (node) => node.getBoundingClientRect().top

{
  const MINUTE_MS = 60_000
  const HOUR_MS = 60 * MINUTE_MS
  const DAY_MS = 24 * HOUR_MS
  /** Pages are read again at most this often. */
  const REFRESH_MS = 1_000
  const MARKED_MS = 20_000
  /** The depot says something every 15 seconds. */
  const SILENT_MS = 40_000
  const AGAIN_MS = 10_000

  function toast(text) {
    const place = find('[data-toast]')
    place.textContent = text
    clearTimeout(toast.timer)
    toast.timer = setTimeout(() => (place.textContent = ''), 2_500)
  }

  async function copy(button) {
    const from = button.dataset.copy || find('code', button.parentElement).textContent
    try {
      await navigator.clipboard.writeText(from)
      toast('Copied')
    } catch {
      // Without TLS, browsers have no clipboard for scripts.
      const area = document.createElement('textarea')
      area.value = from
      area.className = 'offscreen'
      document.body.append(area)
      area.select()
      const isCopied = document.execCommand('copy')
      area.remove()
      button.focus()
      toast(isCopied ? 'Copied' : 'Select the text and copy it')
    }
  }

  function updateTimes() {
    for (const time of findAll('time[datetime]')) {
      const ms = Date.now() - Date.parse(time.dateTime)
      if (ms < MINUTE_MS || ms >= 30 * DAY_MS || !/ ago$|^just now$/.test(time.textContent)) continue
      const text =
        ms < HOUR_MS
          ? `${Math.floor(ms / MINUTE_MS)} min ago`
          : ms < DAY_MS
            ? `${Math.floor(ms / HOUR_MS)} h ago`
            : `${Math.floor(ms / DAY_MS)} d ago`
      if (time.textContent !== text) time.textContent = text
    }
  }

  /** Sorts the rows of a table by the column of a heading. `order` is `ascending` or `descending`. */
  function sortRows(heading, order) {
    const table = heading.closest('table')
    const [body] = table.tBodies
    for (const other of findAll('th[aria-sort]', table)) other.removeAttribute('aria-sort')
    heading.setAttribute('aria-sort', order)
    const key = (row) => {
      const cell = row.cells[heading.cellIndex]
      return cell.dataset.sort ?? cell.textContent.trim()
    }
    const rows = [...body.rows].map((row) => [key(row), row])
    rows.sort(([a], [b]) => (order === 'ascending' ? 1 : -1) * a.localeCompare(b, 'en', { numeric: true }))
    body.append(...rows.map(([, row]) => row))
  }

  /** Prepares what the server sent, at first and after each change. */
  function enhance() {
    for (const button of findAll('[data-copy][hidden]')) button.hidden = false
    for (const heading of findAll('th[data-sortable]')) {
      if (find('button', heading) !== null) continue
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'sorter'
      button.setAttribute('aria-label', `Sort by ${heading.firstChild.textContent.trim()}`)
      heading.firstChild.after(button)
    }
    updateTimes()
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button')
    if (button?.hasAttribute('data-copy')) void copy(button)
    else if (button?.classList.contains('sorter')) {
      const heading = button.parentElement
      sortRows(heading, heading.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending')
    }
  })

  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.closest('input, textarea, select, [contenteditable]') !== null
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === '/' && !isTyping) {
      event.preventDefault()
      find('[data-find]').focus()
    } else if (event.key === 'Escape' && event.target.matches('[data-find]')) event.target.blur()
  })

  // A form is sent once. Coming back to the page makes it ready again.
  document.addEventListener('submit', (event) => {
    const form = event.target
    if (form.method !== 'post') return
    if (form.dataset.sent !== undefined) event.preventDefault()
    form.dataset.sent = ''
  })
  addEventListener('pageshow', () => {
    for (const form of findAll('form[data-sent]')) delete form.dataset.sent
  })

  /** The number of entries of the ledger that the page shows, and that the depot has. */
  let shown = document.body.dataset.sequence
  let latest = shown
  let isRefreshing = false

  /** Reads the page again and changes what differs, without moving what a person reads or types. */
  async function refresh() {
    if (isRefreshing) return
    isRefreshing = true
    try {
      while (shown !== latest) {
        const next = latest
        const answer = await fetch(location.href, { headers: { accept: 'text/html' }, redirect: 'manual' })
        if (!answer.ok) return say('out of date: load the page again')
        change(new DOMParser().parseFromString(await answer.text(), 'text/html'))
        shown = next
        say('live')
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS))
      }
    } catch {
      say('not connected')
    } finally {
      isRefreshing = false
    }
  }

  /** Makes the page equal to a new one, except for what a person has opened, typed, sorted or scrolled to. */
  function change(next) {
    keepSorting(next)
    const changed = []
    const place = placeOfReader()
    Idiomorph.morph(find('main'), find('main', next), {
      restoreFocus: true,
      callbacks: {
        beforeNodeMorphed(before, after) {
          if (before.nodeType !== Node.ELEMENT_NODE) return true
          if (before.matches('input:not([type=hidden]), select, textarea')) return false
          if (before.nodeName === 'DETAILS' && before.open) after.setAttribute('open', '')
          if (before.classList.contains('changed')) after.classList.add('changed')
          if (before.nodeName === 'TD' && before.dataset.cell !== after.dataset.cell) changed.push(before)
          return before.nodeName !== 'TIME' || before.dateTime !== after.dateTime
        },
        afterNodeAdded(node) {
          if (node.nodeName === 'TR' || node.nodeName === 'LI') changed.push(node)
        },
      },
    })
    for (const node of changed) mark(node)
    enhance()
    place?.restore()
  }

  /** Sorts the tables of a new page like those of the present one. */
  function keepSorting(next) {
    const tables = findAll('main table', next)
    for (const [index, table] of findAll('main table').entries()) {
      const heading = find('th[aria-sort]', table)
      const same = heading && tables[index]?.tHead?.rows[0]?.cells[heading.cellIndex]
      if (same) sortRows(same, heading.getAttribute('aria-sort'))
    }
  }

  /** Finds what a person reads: the focus if it is in the window, or else the first row that is in it. */
  function placeOfReader() {
    if (scrollY === 0) return undefined
    const isInside = (node) => topOf(node) >= 0 && topOf(node) < innerHeight
    const node = [...findAll('main :focus'), ...findAll('main [id]')].find(isInside)
    if (node === undefined) return undefined
    const top = topOf(node)
    return { restore: () => node.isConnected && scrollBy(0, topOf(node) - top) }
  }

  function mark(node) {
    node.classList.add('changed')
    setTimeout(() => node.classList.remove('changed'), MARKED_MS)
  }

  function say(state) {
    const place = find('[data-live-state]')
    if (place === null || place.textContent === state) return
    place.textContent = state
    document.body.classList.toggle('offline', state !== 'live')
  }

  const { live, refresh: seconds } = document.body.dataset
  if (seconds !== undefined)
    setInterval(
      () => {
        if (document.hidden) return
        shown = undefined // what no commit tells of has changed
        void refresh()
      },
      Number(seconds) * 1_000,
    )
  if (live !== undefined) {
    let source
    let timer
    const connect = () => {
      disconnect()
      source = new EventSource(live)
      source.addEventListener('begin', hear)
      source.addEventListener('commit', hear)
      source.addEventListener('beat', hear)
      source.addEventListener('error', () => {
        say('not connected')
        if (source.readyState === EventSource.CLOSED) connectIn(AGAIN_MS)
      })
      connectIn(SILENT_MS)
    }
    const disconnect = () => {
      clearTimeout(timer)
      source?.close()
    }
    const connectIn = (ms) => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        say('not connected')
        connect()
      }, ms)
    }
    const hear = ({ data }) => {
      connectIn(SILENT_MS)
      latest = data
      if (shown === latest) say('live')
      else void refresh()
    }
    // A page that nobody looks at does not hold a connection.
    document.addEventListener('visibilitychange', () => (document.hidden ? disconnect() : connect()))
    if (!document.hidden) connect()
  }

  setInterval(updateTimes, MINUTE_MS / 2)
  enhance()
}
