/* yaml_tree.h - YAML events to a tree of nodes, within the bounds of document.h. */
#ifndef BW_CONFIG_YAML_TREE_H
#define BW_CONFIG_YAML_TREE_H

#include <breakwater/config/document.h>

/* Sets document->root from its text, which is UTF-8 without control characters; leaves it NULL,
 * with a problem noted, when the text is not YAML or meets a limit. */
void bw_yaml_tree_build(struct bw_document *document);

#endif
