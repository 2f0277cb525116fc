/**
 * Seconds that run down to zero, told once each second. They are read from the clock, so
 * they are right in a tab that slept.
 */
export class Countdown {
  #tell;
  #endsAt = 0;
  #timer;

  /** @param {(seconds: number) => void} tell Whole seconds that are left. */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {number} seconds */
  start(seconds) {
    this.stop();
    this.#endsAt = performance.now() + seconds * 1000;
    this.#timer = setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  stop() {
    clearInterval(this.#timer);
  }

  #tick() {
    const left = Math.max(0, Math.ceil((this.#endsAt - performance.now()) / 1000));
    if (left === 0) this.stop();
    this.#tell(left);
  }
}
