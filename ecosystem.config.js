// pm2 start ecosystem.config.js
module.exports = {
  apps: [
    {
      name: "trade-engine",
      cwd: __dirname,
      script: ".venv/bin/te",
      args: ["run", "--settings", "settings.toml"],
      interpreter: "none",
      instances: 1, // one engine per journal; a second one is refused
      autorestart: true,
      exp_backoff_restart_delay: 500, // milliseconds; pm2 increases it while starts keep failing
      kill_timeout: 5000, // milliseconds; the engine stops by itself within 1500
      max_memory_restart: "1G", // far more than it needs; a restart loses nothing
      out_file: "logs/engine.log",
      error_file: "logs/engine.log",
      merge_logs: true,
    },
  ],
};
