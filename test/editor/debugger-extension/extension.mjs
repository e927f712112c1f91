// A debugger whose sessions leave a mark in marks.txt of the workspace, and start further ones in both ways that there are.
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';

export function activate() {
  for (const type of ['family', 'stranger', 'renamed']) {
    vscode.debug.registerDebugAdapterDescriptorFactory(type, {
      createDebugAdapterDescriptor: ({ configuration }) =>
        new vscode.DebugAdapterInlineImplementation(new Adapter(configuration)),
    });
    vscode.debug.registerDebugConfigurationProvider(type, {
      // Debuggers may look for an interpreter first, which takes its time.
      resolveDebugConfiguration: async (_folder, configuration) => {
        await delay(configuration.resolvesForMs ?? 0);
        return configuration;
      },
      resolveDebugConfigurationWithSubstitutedVariables: (_folder, configuration) => ({
        ...configuration,
        type: type === 'renamed' ? 'family' : type,
      }),
    });
  }
  vscode.debug.onDidReceiveDebugSessionCustomEvent(async ({ session, event }) => {
    if (event === 'hasProcess') {
      const child = { type: session.type, request: 'attach', name: 'attached by the extension' };
      await vscode.debug.startDebugging(session.workspaceFolder, child, { parentSession: session });
      await session.customRequest('end');
    }
  });
}

class Adapter {
  #configuration;
  #messages = new vscode.EventEmitter();
  #seq = 0;

  constructor(configuration) {
    this.#configuration = configuration;
  }

  get onDidSendMessage() {
    return this.#messages.event;
  }

  handleMessage(message) {
    if (message.type === 'response') {
      this.#send({ type: 'event', event: 'terminated' });
      return;
    }
    this.#send({ type: 'response', command: message.command, request_seq: message.seq, success: true, body: {} });
    switch (message.command) {
      case 'initialize':
        this.#send({ type: 'event', event: 'initialized' });
        break;
      case 'launch':
      case 'attach':
        this.#run();
        break;
      case 'end':
      case 'disconnect':
        this.#send({ type: 'event', event: 'terminated' });
        break;
    }
  }

  dispose() {
    this.#messages.dispose();
  }

  #run() {
    const { name, starts, stays } = this.#configuration;
    const strange = Object.keys(this.#configuration).filter((member) => /checkpoint/i.test(member));
    const [{ uri }] = vscode.workspace.workspaceFolders;
    const line = [new Date().toISOString(), name, ...strange].join(' ');
    appendFileSync(path.join(uri.fsPath, 'marks.txt'), `${line}\n`);
    if (starts === 'by request') {
      const child = { request: 'launch', configuration: { name: 'asked for by the debugger' } };
      this.#send({ type: 'request', command: 'startDebugging', arguments: child });
    } else if (starts === 'by its extension') {
      this.#send({ type: 'event', event: 'hasProcess' });
    } else if (stays !== true) {
      this.#send({ type: 'event', event: 'terminated' });
    }
  }

  #send(message) {
    this.#seq += 1;
    this.#messages.fire({ seq: this.#seq, ...message });
  }
}
