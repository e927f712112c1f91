import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { findOnPath, isExecutable } from './executable.ts';
import type { Server } from './server.ts';
import { exitOnSignals } from './signals.ts';
import { until } from './until.ts';
import { actionTimeoutMilliseconds, viewTimeoutMilliseconds, Workbench } from './workbench.ts';

/** How a window is opened. */
export interface WindowOptions {
  /** Where screenshots go. */
  readonly artifactsFolder: string;
  /** In CSS pixels. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Device pixels for each CSS pixel, 2 for pictures in documents. */
  readonly scale?: number;
}

/** A Chromium without a window of its own. */
export interface TestBrowser {
  /** Opens VS Code on the server's workspace folder, with storage of its own, and waits until it is connected. */
  openWorkbench(server: Server, options: WindowOptions): Promise<Workbench>;
  /** Opens an empty page, with storage of its own. */
  openPage(): Promise<Page>;
  close(): Promise<void>;
}

const switches = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts Chromium. It ends with our process at the latest. @throws when there is none */
export async function startBrowser(): Promise<TestBrowser> {
  exitOnSignals();
  const browser = await chromium.launch({
    executablePath: findChromium(),
    headless: true,
    args: switches,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  return {
    async openWorkbench(server, { artifactsFolder, size = { width: 1280, height: 800 }, scale = 1 }) {
      const page = await openPage(browser, size, scale);
      recordConsole(page, path.join(server.logFolder, 'browser.log'));
      await page.goto(server.url, { timeout: viewTimeoutMilliseconds });
      await untilConnected(page);
      return new Workbench(page, artifactsFolder);
    },
    openPage: () => openPage(browser, { width: 1280, height: 800 }, 1),
    close: () => browser.close(),
  };
}

async function openPage(browser: Browser, viewport: { width: number; height: number }, scale: number): Promise<Page> {
  const context = await browser.newContext({
    viewport,
    deviceScaleFactor: scale,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(actionTimeoutMilliseconds);
  return page;
}

async function untilConnected(page: Page): Promise<void> {
  const host = page.locator('.part.statusbar [id="status.host"]');
  await until(
    'the VS Code window to connect to its server',
    async () => (await host.count()) > 0 && !/opening remote/i.test((await host.textContent()) ?? ''),
    { timeoutMilliseconds: viewTimeoutMilliseconds },
  );
}

function recordConsole(page: Page, file: string): void {
  const record = (line: string): void => {
    appendFileSync(file, `${new Date().toISOString()} ${line}\n`);
  };
  page.on('console', (message) => {
    record(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => {
    record(`uncaught: ${error.stack ?? error.message}`);
  });
}

const programs = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const applications = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The executable in CHROMIUM, or the first Chromium or Chrome on PATH. @throws when there is none */
export function findChromium(): string {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') return named;
  const found =
    programs.map((program) => findOnPath(program)).find((file) => file !== undefined) ??
    applications.find(isExecutable);
  if (found === undefined) {
    throw new Error('no Chromium found: install Chromium or Chrome, or name its executable in CHROMIUM');
  }
  return found;
}
