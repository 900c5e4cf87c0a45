/** VitePress's own theme, with two parts of ours; fonts are the reader's. */
import DefaultTheme from "vitepress/theme-without-fonts";
import AttentionTable from "./attention-table.vue";
import LiveWorld from "./live-world.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("AttentionTable", AttentionTable);
    app.component("LiveWorld", LiveWorld);
  },
} satisfies import("vitepress").Theme;
