import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/agent/arguments';

const ID = 'ab'.repeat(32);
const TOKEN = 'a1'.repeat(16);
const read = (args: string[], env: Record<string, string> = {}) =>
  readSettings(args, { MIRRORD_AGENT_TOKEN: TOKEN, ...env });
const targeted = (...more: string[]) => ['--port', '4000', 'targeted', '--container-id', ID, ...more];

describe('readSettings', () => {
  it('reads a targeted start, with defaults', () => {
    expect(read(targeted('--container-runtime', 'containerd'))).toEqual({
      port: 4000,
      target: { containerId: ID, hostNetwork: false, ephemeral: false, sharedProcesses: false },
      token: TOKEN,
      idleTimeout: 60,
      communicationTimeout: 30,
      grace: 60,
      logLevel: 'info',
      logJson: false,
    });
  });

  it('reads times, level and switches', () => {
    const settings = read(targeted('--host-network', '--ephemeral'), {
      MIRRORD_AGENT_IDLE_TIMEOUT: '0',
      MIRRORD_AGENT_COMMUNICATION_TIMEOUT: '5',
      MIRRORD_AGENT_GRACE: '86400',
      MIRRORD_AGENT_LOG_LEVEL: 'debug',
      MIRRORD_AGENT_LOG_JSON: 'true',
    });
    expect(settings).toMatchObject({ idleTimeout: 0, communicationTimeout: 5, grace: 86_400, logLevel: 'debug' });
    expect(settings).toMatchObject({ logJson: true, target: { hostNetwork: true, ephemeral: true } });
  });

  it('without a target there is none', () => {
    expect(read(['--port', '0', 'targetless'])).toMatchObject({ port: 0, target: undefined });
  });

  it.each([
    [['--port', '1'], 'expected one of "targeted" and "targetless"'],
    [['--port', '1', 'both'], 'got "both"'],
    [['targetless'], '--port must be a whole number from 0 to 65535, got "nothing"'],
    [['--port', '65536', 'targetless'], 'got "65536"'],
    [['--port', '-1', 'targetless'], '--port'],
    [['--port', '1e3', 'targetless'], 'got "1e3"'],
    [['--port', '1', 'targeted'], '--container-id must be 64'],
    [['--port', '1', 'targeted', '--container-id', ID.slice(1)], '--container-id must be 64'],
    [['--port', '1', 'targeted', '--container-id', `${ID}a`], '--container-id must be 64'],
    [['--port', '1', 'targetless', '--wrong'], '--wrong'],
  ])('refuses %j', (args, text) => {
    expect(() => read(args)).toThrow(expect.objectContaining({ code: 'AGENT_ARGUMENTS_INVALID' }));
    expect(() => read(args)).toThrow(text);
  });

  it('refuses times that are none, and one second more than a day', () => {
    const withTime = (MIRRORD_AGENT_GRACE: string) => () =>
      read(['--port', '1', 'targetless'], { MIRRORD_AGENT_GRACE });
    for (const text of ['86401', '-1', '1.5', 'soon']) expect(withTime(text)).toThrow('MIRRORD_AGENT_GRACE');
  });

  it('asks for a token of 32 hexadecimal digits, and never shows it', () => {
    for (const token of ['', 'a'.repeat(31), `${'a'.repeat(31)}!`]) {
      const start = () => read(['--port', '1', 'targetless'], { MIRRORD_AGENT_TOKEN: token });
      expect(start).toThrow(`got ${token.length} characters`);
      if (token) expect(start).not.toThrow(token);
    }
    expect(() => readSettings(['--port', '1', 'targetless'], {})).toThrow('MIRRORD_AGENT_TOKEN');
  });

  it('reads where metrics are told, and refuses what is no address', () => {
    const read = (metrics: string) =>
      readSettings(['--port', '1', 'targetless'], { MIRRORD_AGENT_TOKEN: TOKEN, MIRRORD_AGENT_METRICS: metrics })
        .metrics;
    expect(read('')).toBeUndefined();
    expect(read('0.0.0.0:9000')).toEqual({ host: '0.0.0.0', port: 9000 });
    expect(read('[::]:0')).toEqual({ host: '::', port: 0 });
    for (const bad of ['9000', 'localhost:9000', '0.0.0.0:70000', '::9000', '0.0.0.0:']) {
      expect(() => read(bad)).toThrow('MIRRORD_AGENT_METRICS');
    }
  });
});
