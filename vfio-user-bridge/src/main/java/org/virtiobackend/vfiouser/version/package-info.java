/** The capability text of the VERSION message, the same for both sides. */
package org.virtiobackend.vfiouser.version;
